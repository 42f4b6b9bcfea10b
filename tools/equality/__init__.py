"""Whether a change of the code leaves every number and text that the program writes as it was."""

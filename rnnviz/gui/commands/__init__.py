"""The table of commands, and the menus, toolbar and dialogs built from it."""

"""What the user can ask for: the table of commands, and the menus, buttons and dialogs made from it."""

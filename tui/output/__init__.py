"""What goes to the terminal: of each frame only the cells that changed."""

"""How a number came about: its equations with numbers, what was added up, and where that came from."""

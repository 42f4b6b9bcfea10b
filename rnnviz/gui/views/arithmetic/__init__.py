"""How a number was computed: its equations with numbers, what was added up, and where that came from."""

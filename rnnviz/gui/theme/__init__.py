"""Light and dark theme, icons, scaling, reduced motion."""

"""What every test shares."""

import os

# Without a screen of its own a test opens its windows in memory; set the variable to watch them on a real one.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

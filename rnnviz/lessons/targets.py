"""The parts of the window that a lesson can point at, by the names that lesson files use."""

PARTS = {
    "lanes": "the lanes",
    "lane": "the selected lane",
    "vector": "the selected vector",
    "state-map": "the map of output and state",
    "verdict": "the banner",
    "arithmetic": "the arithmetic of the selected value",
    "units": "the units over time",
    "errors": "the error over time",
    "checks": "the consistency checks",
    "mismatches": "the list of mismatches",
    "audit": "the step audit",
    "error-histogram": "the error histogram",
    "known-bugs": "the known bugs",
    "panel": "the settings panel",
    "panel.network": "the network settings",
    "panel.shapes": "the shapes of the parameters",
    "panel.sequence": "the sequence settings",
    "panel.parameters": "the parameter settings",
    "panel.initial-state": "the initial state settings",
    "panel.comparison": "the comparison settings",
    "run": "the Run button",
    "transport": "the playback controls",
    "sample": "the sample box",
    "colors": "the color box",
    "lesson-box": "the lesson box",
    "export": "the Export button",
}
"""Each name with a noun phrase that completes "look at ..."."""

LINK_SCHEME = "part"
"""Scheme of a link in a lesson's text: [the seed](part:panel.parameters)."""

"""The parts of the window that a lesson can speak of, by the name that a lesson's file has for them."""

PARTS = {
    "lanes": "the lanes",
    "lane": "the lane at the cursor",
    "vector": "the vector at the cursor",
    "state-map": "the map of out and state",
    "verdict": "the verdict",
    "arithmetic": "the arithmetic of the value at the cursor",
    "units": "the units over time",
    "errors": "the error over time",
    "checks": "the checks",
    "mismatches": "the list of mismatches",
    "audit": "the audit of every step",
    "error-histogram": "the error histogram",
    "what-if": "the known mistakes",
    "panel": "the configuration",
    "panel.network": "the network's part of the configuration",
    "panel.shapes": "the shapes of the parameters",
    "panel.sequence": "the sequence's part of the configuration",
    "panel.parameters": "the parameters' part of the configuration",
    "panel.initial-state": "the initial state's part of the configuration",
    "panel.comparison": "the comparison's part of the configuration",
    "run": "the Run button",
    "transport": "the controls of time",
    "sample": "the choice of the sample",
    "colours": "the choice of colours",
    "lesson-box": "the choice of the lesson",
    "export": "the Export button",
}
"""Each name with what it means, in words that complete "look at ..."."""

LINK_SCHEME = "part"
"""A lesson's text leads to a part by a link such as [the seed](part:panel.parameters)."""

"""The dominant picture: every hidden value on one time axis, from a heat map down to boxes, arrows and numbers."""

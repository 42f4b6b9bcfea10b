"""Views of a result. A view computes nothing: it shows a result at a location and requests other locations."""

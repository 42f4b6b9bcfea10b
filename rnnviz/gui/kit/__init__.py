"""Parts that several views and windows are made of."""

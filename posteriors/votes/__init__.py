"""Label sets, who labels what, and checks of both."""

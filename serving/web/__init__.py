"""`colorzoo web`: the web page and its HTTP interface."""

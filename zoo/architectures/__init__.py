"""The networks, one file for each paper; `zoo.registry` imports them by name."""

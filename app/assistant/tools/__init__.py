"""What the assistant can look up and do: the tools, and the gate before them."""

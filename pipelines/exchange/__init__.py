"""Results in the formats of other tools: written, read back, and judged against a ground truth."""

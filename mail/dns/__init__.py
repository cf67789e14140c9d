"""DNS of sending domains: asking, what to publish, and whether what was found is right."""

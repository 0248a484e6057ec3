"""What helps people to write experiments: lint. Runs nothing and reaches no cluster."""

"""From a game day's folder (journals, evidence, samples) to a report. Reaches no cluster."""

"""The report: one HTML file that answers, shows how sure that is, and holds every number; it needs no network."""

"""Pictures for people: overlays, sheets, reports."""

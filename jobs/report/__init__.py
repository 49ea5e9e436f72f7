"""What a run tells people: terminal and page."""

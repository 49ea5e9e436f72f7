"""What a run tells people. Enters: its summary, record and result. Leaves: lines and a page.

It quotes no document, unless the configuration asks for it. Must not import: torch, transformers.
"""

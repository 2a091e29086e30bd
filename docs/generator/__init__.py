"""The parts of the reference that are made from the code, so that they cannot say otherwise.

A page is written by hand except between two marks, `<!-- begin NAME -->` and `<!-- end NAME -->`:
what stands there is the text of the part with that name in `pages.PARTS`. `make docs` writes them,
and a test compares.
"""

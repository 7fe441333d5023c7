"""How does a page look that is one file, and draws itself alone?

What enters: skeleton and style of all pages, small pictures, bars and histograms; rooms know what they say.
"""

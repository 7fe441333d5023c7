"""What stage 1 made of the photos, to be looked at: `python -m preprocess.look`.

Pages, contact sheets and findings about finished caches; nothing here changes one.
"""

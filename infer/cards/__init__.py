"""What must be known of trained networks before they are used, written from their own files.

Model cards after Mitchell et al. (2019), in the form of Hugging Face: Markdown below a header of YAML.
"""

"""What is answered to one photo, and where do networks look? On the command line, in words and as a picture.

What enters: a photo and whichever model there is; nothing of requests.
"""

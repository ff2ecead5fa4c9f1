"""One module for each page: the facts that its template shows and its JSON twin answers.

May import look, showing and below.
"""

"""Pages for people, without JavaScript: the form, the documents, what each problem means.

May import api and below.
"""

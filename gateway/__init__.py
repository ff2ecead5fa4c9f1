"""The HTTP service: takes applications, stores them and publishes each exactly once.

Its folders follow an application: admission, intake, commit, publish, read; api and pages are its faces. Imports run
one way, server > app > pages > api > health > service > intake, publish, read > commit > observability > admission >
database, problems > settings. May import contracts and runtime, never the stream workers.
"""

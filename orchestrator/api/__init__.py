"""The HTTP API: what it offers, how that is carried out, and how it is served.

operations   every operation with its words and types: what the document, the server and the
             client are made from
service      carries them out over two ports: coordinators that are asked, and the log
server       speaks HTTP: routes, feeds, pages of the console
"""

"""Which routes of the newest published client does the server answer?

``record_routes`` runs with the client's interpreter and finds out what every
public method sends. ``routes`` asks a live server for each of those routes.
``update`` accepts newly answered routes into the committed baseline.
"""

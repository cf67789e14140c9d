"""Pages for human owners: views, forms, urls. Owns no models; every page calls the services the API calls."""

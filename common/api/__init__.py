"""The REST door: base viewset, error handler, pagination, input and output serializers, middleware."""

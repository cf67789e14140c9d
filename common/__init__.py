"""What every app may use: errors, ids, the clock, blobs, rate limits, the outbound HTTP door. Owns no models."""

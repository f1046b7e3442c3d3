"""What `gal-friday new` writes: a small package a kind, as texts with `${…}` where the name goes (`extension_making`)."""

enum PlaceholderGodwitTesting {}

enum PlaceholderGodwitServer {}

// Tests that use the bytes of a load (`PatternBytes`) get them with the load.
@_exported public import EchoClient

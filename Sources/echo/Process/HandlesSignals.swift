/// A command that takes the signals itself which end other commands.
protocol HandlesSignals {}

package letters

// Compose composes a message, for tests of all texts.
var Compose = compose

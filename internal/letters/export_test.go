package letters

// Compose composes a message, for tests of all texts.
var Compose = compose

// CodeSecret returns what is stored of a mailed code.
var CodeSecret = codeSecret

package courier

// Signatures is for the test vector.
var Signatures = signatures

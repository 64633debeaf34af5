// What the server says on the wire. The names are those of internal/httpapi/openapi.yaml, against which a test holds them.
export {};

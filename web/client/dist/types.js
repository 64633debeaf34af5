// The JSON types of the server's API. A test compares them with internal/httpapi/openapi.yaml.
export {};

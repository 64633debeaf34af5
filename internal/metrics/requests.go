package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics count what is answered.
type requestMetrics struct {
	answered *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func (q *requestMetrics) register(m *Metrics) {
	q.answered = counters(m, "requests_total", "Requests that were answered, by the route of the API, the method and the status.", "route", "method", "status")
	q.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "request_seconds", Buckets: fast,
		Help: "How long requests took, without event streams and WebSockets, by who answered: api, pages, authz or application.",
	}, []string{"part"})
	m.register(q.seconds)
}

// methods are those that have a value of their own; strangers can send any.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// Answered counts a request. route is one of the API's routes or a word for all others; the status is 0 if the connection was
// cut. stream means that the answer ends when the client or the server wants, so that its time says nothing. Answered does
// nothing on a nil *Metrics.
func (m *Metrics) Answered(route, method string, status int, took time.Duration, stream bool) {
	if m == nil {
		return
	}
	if !slices.Contains(methods, method) {
		method = "other"
	}
	code := "other" // an application's server can send any
	switch {
	case status == 0:
		code = "cut"
	case status >= 100 && status < 600:
		code = strconv.Itoa(status)
	}
	m.requests.answered.WithLabelValues(route, method, code).Inc()
	if !stream {
		m.requests.seconds.WithLabelValues(part(route)).Observe(took.Seconds())
	}
}

// part returns which part of the server answers a route.
func part(route string) string {
	switch route {
	case "pages", "authz", "application":
		return route
	}
	return "api"
}

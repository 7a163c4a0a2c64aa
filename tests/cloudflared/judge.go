// Judges requests as a cloudflared with these ingress rules does: one JSON document in, one status for each request out.
// 200 is what goes on to the origin. The team's keys come from the document, whatever address is asked for them.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/cloudflare/cloudflared/config"
	"github.com/cloudflare/cloudflared/ingress"
)

type question struct {
	Rules    config.Configuration
	Keys     json.RawMessage
	Requests []struct{ Host, Assertion string }
}

type keys json.RawMessage

func (k keys) RoundTrip(request *http.Request) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	body := io.NopCloser(bytes.NewReader(k))
	return &http.Response{StatusCode: 200, Header: header, Body: body, Request: request}, nil
}

func status(rules ingress.Ingress, host, assertion string) int {
	rule, _ := rules.FindMatchingRule(host, "/mcp")
	request, err := http.NewRequest("POST", "https://"+host+"/mcp", nil)
	if err != nil {
		log.Fatal(err)
	}
	if assertion != "" {
		request.Header.Set("Cf-Access-Jwt-Assertion", assertion)
	}
	for _, handler := range rule.Handlers {
		result, err := handler.Handle(context.Background(), request)
		if err != nil {
			return 502
		}
		if result.ShouldFilterRequest {
			return result.StatusCode
		}
	}
	if rule.Service.String() == "http_status:404" {
		return 404
	}
	return 200
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	http.DefaultTransport = keys(asked.Keys)
	rules, err := ingress.ParseIngress(&asked.Rules)
	if err != nil {
		log.Fatal(err)
	}
	statuses := []int{}
	for _, request := range asked.Requests {
		statuses = append(statuses, status(rules, request.Host, request.Assertion))
	}
	if err := json.NewEncoder(os.Stdout).Encode(statuses); err != nil {
		log.Fatal(err)
	}
}

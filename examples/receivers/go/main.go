// Receives ApsaraVideo VOD callbacks and lets only genuine ones through. See ../README.md for the variables.
package main

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const maxBodyBytes = 1 << 20

type receiver struct {
	callbackURL  string
	authKeyFiles []string
	maxAge       time.Duration
}

// Read each time: a mounted Secret changes under a running process.
func (r *receiver) authKeys() ([]string, error) {
	var keys []string
	for _, path := range r.authKeyFiles {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		keys = append(keys, strings.TrimRight(string(text), "\r\n"))
	}
	return keys, nil
}

// Why a callback is not genuine, or nil.
func (r *receiver) verify(timestamp, signature string) error {
	if timestamp == "" || signature == "" {
		return errors.New("no X-VOD-TIMESTAMP or X-VOD-SIGNATURE")
	}
	seconds, err := strconv.ParseUint(timestamp, 10, 62)
	if err != nil || time.Since(time.Unix(int64(seconds), 0)).Abs() > r.maxAge {
		return fmt.Errorf("the time is not within %s of the clock", r.maxAge)
	}
	keys, err := r.authKeys()
	if err != nil {
		return err
	}
	genuine := 0
	for _, key := range keys {
		sum := md5.Sum([]byte(r.callbackURL + "|" + timestamp + "|" + key))
		genuine |= subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(signature))
	}
	if genuine != 1 {
		return errors.New("the signature is wrong")
	}
	return nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if err := r.verify(request.Header.Get("X-VOD-TIMESTAMP"), request.Header.Get("X-VOD-SIGNATURE")); err != nil {
		fmt.Println("refused:", err)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBodyBytes))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	var event struct{ EventType, VideoId string }
	if err := json.Unmarshal(body, &event); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	// Answer within 5 seconds: put the event on a queue here, and do the work elsewhere. It may come again.
	fmt.Println("event:", event.EventType, event.VideoId)
	w.WriteHeader(http.StatusOK)
}

func main() {
	maxAge, err := strconv.Atoi(variable("MAX_AGE_SECONDS", "300"))
	if err != nil {
		log.Fatal("MAX_AGE_SECONDS: ", err)
	}
	handler := &receiver{
		callbackURL:  variable("CALLBACK_URL", ""),
		authKeyFiles: strings.Split(variable("AUTH_KEY_FILES", ""), ","),
		maxAge:       time.Duration(maxAge) * time.Second,
	}
	listener, err := net.Listen("tcp", ":"+variable("PORT", "8080"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on port", listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

func variable(name, otherwise string) string {
	value := os.Getenv(name)
	if value == "" {
		value = otherwise
	}
	if value == "" {
		log.Fatal(name, " is not set")
	}
	return value
}

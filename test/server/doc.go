// Package server tests the built program: its commands, its nodes and its stores, through crashes and outages.
package server

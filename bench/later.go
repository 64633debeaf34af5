package main

import "context"

type delay struct{}
type size struct{}

func (b *bench) signOuts(context.Context) error     { return errNotYet }
func (b *bench) liveSessions(context.Context) error { return errNotYet }
func (b *bench) purge(context.Context) error        { return errNotYet }
func (b *bench) plot(string) error                  { return errNotYet }

import { Component, signal } from '@angular/core'
import type { AddedFactor, Factor, Factors } from '@cloakroom/client'
import { injectAuth } from '@cloakroom/client/angular'

@Component({
  selector: 'app-passkeys',
  template: `
    <h2>Passkeys</h2>
    @if (problem(); as problem) { <p role="alert">{{ problem }}</p> }
    <ul>@for (it of passkeys(); track it.id) { <li>{{ it.name }} <button (click)="remove(it.id)">Remove</button></li> }</ul>
    <button (click)="add()">Add a passkey</button>
    @if (codes(); as codes) { <p>Keep these recovery codes: {{ codes.join(', ') }}</p> }
  `,
})
export class Passkeys {
  private readonly auth = injectAuth()
  readonly passkeys = signal<Factor[]>([])
  readonly codes = signal<string[] | undefined>(undefined)
  readonly problem = signal<string | undefined>(undefined)
  readonly add = () => this.act(() => this.auth.addPasskey())
  readonly remove = (id: string) => this.act(() => this.auth.removePasskey(id))

  constructor() {
    this.act()
  }

  private async act(step?: () => Promise<AddedFactor | undefined | void>) {
    this.problem.set(undefined)
    try {
      this.codes.set((await step?.())?.recovery_codes)
      const { factors } = await this.auth.client.call<Factors>('GET', '/api/auth/factors')
      this.passkeys.set(factors.filter(({ kind }) => kind === 'passkey'))
    } catch (error) {
      this.problem.set((error as Error).message)
    }
  }
}
